-- One row per thing that is wrong in a row of seeds/programs.csv or enrollment_tracks.csv.
{%- set a_name = "'[a-z][a-z0-9_]*'" %}
{%- set address_columns = ['sender', 'reply_to', 'contact_email'] %}

with

programs as (
    select
        *,
        'programs.csv, program ' || coalesce(program, 'empty') as seed_row
    from {{ ref('stg_seeds__programs') }}
),

enrollment_tracks as (
    select
        *,
        'enrollment_tracks.csv, track ' || coalesce(track, 'empty') as seed_row
    from {{ ref('stg_seeds__enrollment_tracks') }}
),

-- texts in which nobody can tell the address for certain
doubtful_addresses as (
    select text from {{ ref('stg_mailing__seed_addresses') }}
    where email is null
),

final as (
    select
        seed_row,
        'it names a table, so only a-z, 0-9 and _ can be in it' as problem
    from programs
    where not {{ is_all("coalesce(program, '')", a_name) }}
    union all
    select
        seed_row,
        'all_programs is the name of the file of all programs together' as problem
    from programs
    where program = 'all_programs'
    union all
    select
        seed_row,
        'its certificates_required is no whole number' as problem
    from programs
    where {{ whole_number('certificates_required') }} is null
    union all
    select
        seed_row,
        'its unsubscribe_hash is neither hmac-sha256 nor md5' as problem
    from programs
    where coalesce(unsubscribe_hash, '') not in ('hmac-sha256', 'md5')
    union all
    select
        seed_row,
        'its certificate_mail, ' || certificate_mail || ', is neither eligible nor delivered' as problem
    from programs
    where certificate_mail not in ('eligible', 'delivered')
    union all
    select
        seed_row,
        'its language, ' || language || ', is no tag such as en, es or pt-BR' as problem
    from programs
    where not {{ is_all('language', "'[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*'") }}
    union all
    select
        seed_row,
        'its lms_base, ' || lms_base || ', is no link such as https://courses.edx.org' as problem
    from programs
    where not {{ is_all('lms_base', "'https://[^ /?#]+[^ ?#]*'") }}
    union all
    select
        seed_row,
        'its invented, ' || invented || ', is neither true nor false' as problem
    from programs
    where invented not in ('true', 'false')
    {%- for column in address_columns %}
        union all
        select
            seed_row,
            'its {{ column }} is not one address, such as Updates <updates@example.org>' as problem
        from programs
        where {{ column }} in (select doubtful_addresses.text from doubtful_addresses)
    {%- endfor %}
    union all
    select
        seed_row,
        'its is_verified is neither true nor false' as problem
    from enrollment_tracks
    where coalesce(is_verified, '') not in ('true', 'false')
)

select * from final

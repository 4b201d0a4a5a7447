-- One row per row of seeds/programs.csv, as text.
with

programs as (
    select * from {{ ref('programs') }}
),

final as (
    select
        program,
        title,
        credential,
        certificates_required,
        degree,
        degree_link,
        apply_link,
        contact_email,
        organization,
        postal_address,
        sender,
        reply_to,
        subject,
        unsubscribe_base,
        unsubscribe_hash,
        certificate_mail,
        language,
        lms_base,
        -- spreadsheets write TRUE
        lower(invented) as invented
    from programs
)

select * from final

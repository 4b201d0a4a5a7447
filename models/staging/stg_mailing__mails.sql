-- One row per try to mail a learner of any program for a triggering course run and kind.
with

mails as (
    select * from {{ source('mailing', 'mails') }}
),

final as (
    select
        program,
        student_id,
        trigger_course_instance,
        trigger_course_verified,
        attempt,
        message_id,
        email,
        {{ utc_timestamp('intended_at') }} as intended_at,
        status,
        {{ utc_timestamp('status_at') }} as status_at,
        nullif(detail, '') as detail
    from mails
)

select * from final

-- One row per learner, triggering course run, kind of mail and try of this program.
with

mails as (
    select * from {{ ref('stg_mailing__mails') }}
    where program = '{{ var("program") }}'
),

learners as (
    select * from {{ ref('learners') }}
),

retired_elsewhere as (
    select * from {{ source('mailing', 'retired_elsewhere') }}
),

retired_accounts as (
    select student_id from learners
    where is_retired
    union
    select student_id from retired_elsewhere
),

final as (
    select
        mails.program,
        mails.student_id,
        mails.trigger_course_instance,
        mails.trigger_course_verified,
        mails.attempt,
        -- who they were is told no more; a server's words may quote the address
        if(retired_accounts.student_id is null, mails.email, null) as email,
        mails.message_id,
        mails.status,
        mails.intended_at,
        mails.status_at as ended_at,
        if(retired_accounts.student_id is null, mails.detail, null) as detail
    from mails
    left join retired_accounts on mails.student_id = retired_accounts.student_id
)

select * from final
